"""Usage rows as files: which columns, in which format, read in constant memory. Knows neither HTTP nor the command line."""

from __future__ import annotations

from agentcore_metering.adapters.django.exports.formats import FORMATS, ExportFormat
from agentcore_metering.adapters.django.exports.writing import Export, begin_export

__all__ = ["FORMATS", "Export", "ExportFormat", "begin_export"]
