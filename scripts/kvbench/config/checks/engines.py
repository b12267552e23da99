"""Each run's engine supports the device, GPUs, block size and sharing that the run asks for."""

from __future__ import annotations

from kvbench.config.runs import Plan, RunName
from kvbench.config.wording import Invalid
from kvbench.engines.names import CUDA_ONLY, ONE_BLOCK, SEVERAL_GPUS, SHARING


def check_devices(plan: Plan, cuda: bool) -> None:
    for number, run, _ in plan:
        if run.engine in CUDA_ONLY and not cuda:
            problem = f"{run.engine} needs a CUDA device: {CUDA_ONLY[run.engine]}"
            raise Invalid(f"runs[{number}].engines", problem)


def check_sharing(config: dict, plan: Plan) -> None:
    for number, run, own in plan:
        if run.engine not in SHARING and own.get("prefix_sharing", config["prefix_sharing"]):
            remedy = f"set it to false for this engine or use {', '.join(SHARING)}"
            raise Invalid(_place("prefix_sharing", number, run, own), f"{run.engine} cannot share blocks; {remedy}")


def check_kv_dtypes(config: dict, plan: Plan) -> None:
    for number, run, own in plan:
        wanted = own.get("kv_dtype", config["kv_dtype"])
        if wanted != "auto" and not run.engine.startswith("vllm"):
            problem = f"{run.engine} keeps its cache in the model's own number type: Transformers' quantized caches "
            problem += "unpack the whole cache in every step"
            raise Invalid(_place("kv_dtype", number, run, own), f"{problem}; write auto, or use vllm")


def check_gpus(config: dict, plan: Plan, cuda: bool) -> None:
    for number, run, own in plan:
        gpus = own.get("gpus", config["gpus"])
        at = _place("gpus", number, run, own)
        if gpus > 1 and not cuda:
            raise Invalid(at, f"{gpus} GPUs requested for runs on a CPU; set it to 1, or set device to cuda")
        if gpus > 1 and run.engine not in SEVERAL_GPUS:
            raise Invalid(at, f"{run.engine} runs on one GPU only; remove it here or give it its own entry in runs")
        heads = config["models"][run.model].get("shape", {}).get("kv_heads", gpus)
        if heads % gpus:
            raise Invalid(
                at, f"{run.model} has {heads} KV heads, which cannot be split evenly over {gpus} GPUs; lower gpus"
            )


def check_block_sizes(config: dict, plan: Plan, cuda: bool) -> None:
    if cuda:
        return
    for number, run, own in plan:
        size = own.get("block_size", config["block_size"])
        if run.engine.startswith("vllm") and size != "auto" and size % 32:
            problem = f"{size} is not a multiple of 32, which vLLM needs on a CPU; write 32, 64 or auto"
            raise Invalid(_place("block_size", number, run, own), problem)


def check_one_block(plan: Plan) -> None:
    for number, run, own in plan:
        if run.engine in ONE_BLOCK and (at := _place("block_size", number, run, own)).endswith("sweep.block_size"):
            problem = f"a block of {run.engine} holds max_length, whatever block_size is, so its points would be equal"
            raise Invalid(at, f"{problem}; remove {run.engine} from this entry")


def _place(key: str, number: int, run: RunName, own: dict) -> str:
    """Where the value of a run's key was written: in its entry's sweep, in its entry or at the top level."""
    if key not in own:
        return key
    swept = run.point.startswith(f"{key}-")
    return f"runs[{number}].{'sweep.' * swept}{key}"
