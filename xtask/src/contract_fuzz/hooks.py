"""Keeps a run from locking itself out: it finds the id of the key that it calls with, in lists and
in what it made, and would end or narrow that key like any other."""

import os

import schemathesis

# Well-formed, and of no key.
NOBODYS = "key_1111111111111111111111"


@schemathesis.hook
def before_call(context, case, kwargs):
    parameters = case.path_parameters or {}
    if case.method != "GET" and parameters.get("id") == os.environ["TENANTRY_FUZZ_OWN_KEY"]:
        parameters["id"] = NOBODYS
