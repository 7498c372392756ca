"""What the template's conditions choose: SAM CLI's parser leaves that open."""

from collections.abc import Mapping
from typing import Any

from samcli.lib.intrinsic_resolver.intrinsic_property_resolver import IntrinsicResolver
from samcli.lib.intrinsic_resolver.intrinsics_symbol_table import IntrinsicsSymbolTable


class Chosen:
    """Takes the branches of ``Fn::If``, which SAM CLI's parser leaves where one of them is ``AWS::NoValue``."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self._conditions = template.get("Conditions", {})
        symbols = IntrinsicsSymbolTable(logical_id_translator=dict(parameters), template=template)
        self._resolver = IntrinsicResolver(template=template, symbol_resolver=symbols)

    def of(self, value: Any) -> Any:
        """A value with what the parameters choose; None for ``AWS::NoValue``."""
        if value == {"Ref": "AWS::NoValue"}:
            return None
        if isinstance(value, Mapping) and "Fn::If" in value:
            condition, yes, no = value["Fn::If"]
            return self.of(yes if self.holds(condition) else no)
        return self._resolver.intrinsic_property_resolver(value, ignore_errors=False) if value is not None else None

    def holds(self, condition: str) -> bool:
        """Whether a condition of the template does."""
        return bool(self._resolver.intrinsic_property_resolver(self._conditions[condition], ignore_errors=False))

    def is_made(self, resource: Mapping[str, Any]) -> bool:
        """Whether a resource of the template is."""
        return "Condition" not in resource or self.holds(resource["Condition"])
