"""Mutation testing, one module a step: what can be changed in a source, and what the tests make of a change."""
