"""The view of each file in results/tables, by its name and in the order of the report."""

from __future__ import annotations

from kvbench.report.tables.caches import kv_dtypes_view, prefix_hits_view
from kvbench.report.tables.memory import (
    devices_view,
    kv_groups_view,
    kv_waste_view,
    memory_view,
    planned_view,
    sharing_view,
    sweeps_view,
)
from kvbench.report.tables.predictions import predicted_capacity_view, predictions_view
from kvbench.report.tables.runs import workloads_view
from kvbench.report.tables.serving import serving_view, slo_capacity_view, slo_ratios_view, slowest_view
from kvbench.report.tables.speed import (
    attribution_view,
    latency_view,
    processes_view,
    ratios_view,
    roofline_view,
    throughput_view,
    upkeep_view,
)
from kvbench.report.tables.verdicts import claims_view, parity_view

VIEWS = {
    "throughput": throughput_view,
    "processes": processes_view,
    "ratios": ratios_view,
    "attribution": attribution_view,
    "upkeep": upkeep_view,
    "roofline": roofline_view,
    "claims": claims_view,
    "workloads": workloads_view,
    "latency": latency_view,
    "serving": serving_view,
    "slo_capacity": slo_capacity_view,
    "slo_ratios": slo_ratios_view,
    "predictions": predictions_view,
    "predicted_capacity": predicted_capacity_view,
    "slowest_requests": slowest_view,
    "kv_waste": kv_waste_view,
    "kv_groups": kv_groups_view,
    "memory": memory_view,
    "devices": devices_view,
    "planned": planned_view,
    "sharing": sharing_view,
    "prefix_hits": prefix_hits_view,
    "kv_dtypes": kv_dtypes_view,
    "sweeps": sweeps_view,
    "parity": parity_view,
}
