"""The tasks of `invoke --list`: each parses its options, calls one function and prints what came back."""

from invoke import Collection

namespace = Collection()
