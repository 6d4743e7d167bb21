"""One node for every test of a module."""

import pytest
from node import Node


@pytest.fixture(scope="module")
def js(tmp_path_factory):
    node = Node(tmp_path_factory.mktemp("node"))
    yield node
    node.close()
