"""From a graph and a question to an estimand: what data can tell about the effects of an action."""

__all__: list[str] = []
