"""A workspace as a document: check it, compare it with what mParticle has, plan the difference, apply it."""
