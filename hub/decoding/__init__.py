"""Decoding of a mutation's variables at the speed of C, without a second opinion on what is valid.

What is accepted here is what GraphQL's own coercion accepts, with equal values; whatever is not certain is declined,
and then GraphQL's coercion decides and words the errors. The Strawberry schema stays the only place of the types.
"""

from hub.decoding.completing import complete
from hub.decoding.plans import Mutations
from hub.decoding.structs import Declined, Structs

__all__ = ["Declined", "Mutations", "Structs", "complete"]
