"""A missing extra is named together with the command that installs it."""

import math

import pytest

from causalrep.utils import MissingDependencyError, optional_import


def test_an_installed_module_is_returned():
    assert optional_import("math", extra="none", purpose="arithmetic") is math


def test_a_submodule_is_returned_not_its_package():
    assert optional_import("xml.dom", extra="none", purpose="parsing").__name__ == "xml.dom"


def test_a_missing_package_names_purpose_package_and_command():
    with pytest.raises(MissingDependencyError) as caught:
        optional_import("no_such_package_here.inner", extra="images", purpose="the denoiser")
    message = str(caught.value)
    assert message.startswith("the denoiser needs the package 'no_such_package_here'")
    assert "pip install 'causalrep[images]'" in message


def test_the_error_is_an_import_error():
    with pytest.raises(ImportError):
        optional_import("no_such_package_here", extra="images", purpose="anything")
