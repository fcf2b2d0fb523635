"""What files hold, as JSON Schema (2020-12), from the structs that read them; by hand where none do."""

from city_brain.schemas.documents import DOCUMENTS, schema_of

__all__ = ["DOCUMENTS", "schema_of"]
