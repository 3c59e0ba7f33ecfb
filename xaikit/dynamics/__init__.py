"""How networks learn: what they memorise, which frequencies come first, and what information they keep."""
