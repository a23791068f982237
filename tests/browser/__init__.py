"""The portal in a real browser, on a hub as it is run, with mail by SMTP."""
