"""The vectors of keys and signatures, most of them bad on purpose."""

from __future__ import annotations

import hashlib

from tests.signing.book import HUB_SEED, OTHER_SEED, SPEC_SEED, add, b64, invalid, public, refused, sign
from tests.signing.curve import (
    BASE,
    IDENTITY,
    TORSION,
    L,
    P,
    encode,
    encode_raw,
    hashed,
    plus,
    point_at,
    secret_of,
    times,
)

RFC_8032 = [  # seed, public key, message, signature (section 7.1)
    (
        "1",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "2",
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "3",
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "1024",
        "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5",
        "278117fc144c72340f67d0f2316e8386ceffbf2b2428c9c51fef7c597f1d426e",
        "08b8b2b733424243760fe426a4b54908632110a66c2f6591eabd3345e3e4eb98fa6e264bf09efe12ee50f8f54e9f77b1e355f6c50544e23fb1433ddf73be84d879de7c0046dc4996d9e773f4bc9efe5738829adb26c81b37c93a1b270b20329d658675fc6ea534e0810a4432826bf58c941efb65d57a338bbd2e26640f89ffbc1a858efcb8550ee3a5e1998bd177e93a7363c344fe6b199ee5d02e82d522c4feba15452f80288a821a579116ec6dad2b3b310da903401aa62100ab5d1a36553e06203b33890cc9b832f79ef80560ccb9a39ce767967ed628c6ad573cb116dbefefd75499da96bd68a8a97b928a8bbc103b6621fcde2beca1231d206be6cd9ec7aff6f6c94fcd7204ed3455c68c83f4a41da4af2b74ef5c53f1d8ac70bdcb7ed185ce81bd84359d44254d95629e9855a94a7c1958d1f8ada5d0532ed8a5aa3fb2d17ba70eb6248e594e1a2297acbbb39d502f1a8c6eb6f1ce22b3de1a1f40cc24554119a831a9aad6079cad88425de6bde1a9187ebb6092cf67bf2b13fd65f27088d78b7e883c8759d2c4f5c65adb7553878ad575f9fad878e80a0c9ba63bcbcc2732e69485bbc9c90bfbd62481d9089beccf80cfe2df16a2cf65bd92dd597b0707e0917af48bbb75fed413d238f5555a7a569d80c3414a8d0859dc65a46128bab27af87a71314f318c782b23ebfe808b82b0ce26401d2e22f04d83d1255dc51addd3b75a2b1ae0784504df543af8969be3ea7082ff7fc9888c144da2af58429ec96031dbcad3dad9af0dcbaaaf268cb8fcffead94f3c7ca495e056a9b47acdb751fb73e666c6c655ade8297297d07ad1ba5e43f1bca32301651339e22904cc8c42f58c30c04aafdb038dda0847dd988dcda6f3bfd15c4b4c4525004aa06eeff8ca61783aacec57fb3d1f92b0fe2fd1a85f6724517b65e614ad6808d6f6ee34dff7310fdc82aebfd904b01e1dc54b2927094b2db68d6f903b68401adebf5a7e08d78ff4ef5d63653a65040cf9bfd4aca7984a74d37145986780fc0b16ac451649de6188a7dbdf191f64b5fc5e2ab47b57f7f7276cd419c17a3ca8e1b939ae49e488acba6b965610b5480109c8b17b80e1b7b750dfc7598d5d5011fd2dcc5600a32ef5b52a1ecc820e308aa342721aac0943bf6686b64b2579376504ccc493d97e6aed3fb0f9cd71a43dd497f01f17c0e2cb3797aa2a2f256656168e6c496afc5fb93246f6b1116398a346f1a641f3b041e989f7914f90cc2c7fff357876e506b50d334ba77c225bc307ba537152f3f1610e4eafe595f6d9d90d11faa933a15ef1369546868a7f3a45a96768d40fd9d03412c091c6315cf4fde7cb68606937380db2eaaa707b4c4185c32eddcdd306705e4dc1ffc872eeee475a64dfac86aba41c0618983f8741c5ef68d3a101e8a3b8cac60c905c15fc910840b94c00a0b9d0",
        "0aab4c900501b3e24d7cdf4663326a3a87df5e4843b2cbdb67cbf6e460fec350aa5371b1508f9f4528ecea23c436d94b5e8fcd4f681e30a6ac00a9704a188a03",
    ),
    (
        "sha-abc",
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


def key_vectors() -> None:
    for name, seed in [("spec", SPEC_SEED), ("other", OTHER_SEED), ("hub", HUB_SEED)]:
        key = public(seed)
        assert key == encode(times(secret_of(seed)[0], BASE))
        fingerprint = "ed25519:" + hashlib.sha256(key).hexdigest()
        add("key", f"sound-{name}", "a sound key", {"key": b64(key)}, {"fingerprint": fingerprint})

    def bad(name: str, description: str, code: str, raw: bytes) -> None:
        add("key", name, description, {"key": b64(raw)}, refused(code), "sound-spec")

    torsion = [times(factor, TORSION) for factor in range(8)]
    order = [next(n for n in (1, 2, 4, 8) if times(n, point) == IDENTITY) for point in torsion]
    for factor, point in enumerate(torsion):
        bad(f"small-order-{factor}", f"order {order[factor]}", "KEY_SMALL_ORDER", encode(point))
    for name, y, sign_bit in [
        ("identity-signed", 1, 1),
        ("order-2-signed", P - 1, 1),
        ("zero-plus-p", P, 0),
        ("zero-plus-p-signed", P, 1),
        ("identity-plus-p", P + 1, 0),
        ("identity-plus-p-signed", P + 1, 1),
    ]:
        bad(
            f"small-order-{name}",
            "of small order, encoded otherwise",
            "KEY_SMALL_ORDER",
            encode_raw(y, sign_bit),
        )
    for excess in range(2, 19):
        bad(
            f"encoding-p-plus-{excess}",
            f"y = p + {excess}",
            "KEY_ENCODING",
            encode_raw(P + excess, excess & 1),
        )
    for y in [n for n in range(2, 40) if point_at(n) is None][:3]:
        bad(f"not-on-curve-{y}", f"no point has y = {y}", "KEY_NOT_ON_CURVE", encode_raw(y, 0))
    for factor in range(1, 8):
        mixed = plus(times(secret_of(SPEC_SEED)[0], BASE), torsion[factor])
        bad(
            f"mixed-order-{factor}",
            f"a sound key plus a point of order {order[factor]}",
            "KEY_MIXED_ORDER",
            encode(mixed),
        )
    bad("length-31", "31 bytes", "KEY_LENGTH", public(SPEC_SEED)[:31])
    bad("length-33", "33 bytes", "KEY_LENGTH", public(SPEC_SEED) + b"\0")
    bad("length-0", "no bytes", "KEY_LENGTH", b"")
    text = b64(public(SPEC_SEED))
    for name, spelling in [
        ("unpadded", text.rstrip("=")),
        ("url-safe", text.replace("+", "-").replace("/", "_")),
        ("spaced", text + "\n"),
        ("loose-bits", text[:-2] + chr(ord(text[-2]) + 1) + "="),
    ]:
        assert spelling != text, name
        add(
            "key",
            f"base64-{name}",
            "another spelling",
            {"key": spelling},
            refused("KEY_BASE64"),
            "sound-spec",
        )


def signature_vectors() -> None:
    for name, seed, *published in RFC_8032:
        rfc_key, rfc_message, rfc_signature = map(bytes.fromhex, published)
        assert public(bytes.fromhex(seed)) == rfc_key
        assert sign(bytes.fromhex(seed), rfc_message) == rfc_signature
        given = {
            "publicKey": b64(rfc_key),
            "message": b64(rfc_message),
            "signature": b64(rfc_signature),
        }
        add("signature", f"rfc8032-{name}", "RFC 8032 section 7.1", given, {"valid": True})
    message, (secret, prefix) = b"pay 10.00 INR", secret_of(SPEC_SEED)
    key, good = public(SPEC_SEED), sign(SPEC_SEED, message)
    plain = {"publicKey": b64(key), "message": b64(message), "signature": b64(good)}
    add("signature", "good", "a signature to spoil", plain, {"valid": True})

    def bad(name: str, description: str, reason: str, **changes: str) -> None:
        add("signature", name, description, {**plain, **changes}, invalid(reason), "good")

    scalar = int.from_bytes(good[32:], "little")
    for factor in (1, 2, 8):
        raised = good[:32] + (scalar + factor * L).to_bytes(32, "little")
        bad(f"malleable-{factor}", f"S + {factor} L, the same modulo L", "S_RANGE", signature=b64(raised))
    bad("s-is-order", "S = L", "S_RANGE", signature=b64(good[:32] + L.to_bytes(32, "little")))
    bad(
        "s-high-bits", "the top bits of S set", "S_RANGE", signature=b64(good[:63] + bytes([good[63] | 0xE0]))
    )
    bad("s-zero", "S = 0", "MISMATCH", signature=b64(good[:32] + bytes(32)))

    def with_point(point: bytes, nonce: int) -> str:
        """A signature that satisfies S·B = R + h·A up to a point of small order, around this R."""
        return b64(point + ((nonce + hashed(point, key, message) * secret) % L).to_bytes(32, "little"))

    for name, raw in [
        ("identity", encode(IDENTITY)),
        ("order-2", encode(times(4, TORSION))),
        ("order-4", encode(times(2, TORSION))),
        ("order-8", encode(TORSION)),
        ("identity-plus-p", encode_raw(P + 1, 0)),
        ("identity-signed", encode_raw(1, 1)),
        ("order-2-signed", encode_raw(P - 1, 1)),
    ]:
        bad(
            f"r-small-{name}",
            "R of small order, the equation holding",
            "R_SMALL_ORDER",
            signature=with_point(raw, 0),
        )
    for excess in [n for n in range(2, 19) if point_at(n)][:3]:
        bad(
            f"r-encoding-{excess}",
            f"R with y = p + {excess}",
            "R_ENCODING",
            signature=with_point(encode_raw(P + excess, 0), 0),
        )
    nonce = hashed(prefix, message)
    assert with_point(encode(times(nonce, BASE)), nonce) == b64(good)
    for factor in (1, 2, 4):
        mixed = encode(plus(times(nonce, BASE), times(factor, TORSION)))
        bad(
            f"r-mixed-{factor}",
            "holds only if multiplied by the cofactor",
            "MISMATCH",
            signature=with_point(mixed, nonce),
        )
    bad("key-wrong", "another key", "MISMATCH", publicKey=b64(public(OTHER_SEED)))
    bad("message-other", "other bytes", "MISMATCH", message=b64(b"pay 10,00 INR"))
    bad("message-longer", "a byte more", "MISMATCH", message=b64(message + b"\0"))
    bad("message-empty", "nothing", "MISMATCH", message="")
    bad("length-63", "63 bytes", "LENGTH", signature=b64(good[:63]))
    bad("length-65", "65 bytes", "LENGTH", signature=b64(good + b"\0"))
    bad("length-0", "no signature", "LENGTH", signature="")
    bad("halves-swapped", "S before R, S out of range", "S_RANGE", signature=b64(good[32:] + b"\xff" * 32))
    text = b64(good)
    for name, spelling in [
        ("unpadded", text.rstrip("=")),
        ("loose-bits", text[:-3] + chr(ord(text[-3]) + 1) + "=="),
        ("spaced", text[:40] + "\n" + text[40:]),
        ("hex", good.hex()[:-1] + "-"),
    ]:
        bad(f"base64-{name}", "another spelling", "BASE64", signature=spelling)
