"""Makes tests/sources/corpus: one small table in every format and layout that is read.

    python tests/sources/make.py        needs numpy, torch, pyarrow, safetensors

Every table is `table(rows, columns)`, whose numbers are exact in each float type, so that the tests can compare all of them.
"""

import json
import pathlib
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import torch

HERE = pathlib.Path(__file__).parent / "corpus"


def table(rows, columns, offset=0):
    """Entry (i, j) is ((7·i + 3·j + offset) mod 16 − 5) / 4."""
    i, j = np.indices((rows, columns))
    return ((7 * i + 3 * j + offset) % 16 - 5) / 4


def safetensors_file(path, tensors):
    header, data = {}, b""
    for name, (dtype, array) in tensors.items():
        raw = array if isinstance(array, bytes) else array.tobytes()
        shape = list(getattr(array, "shape", [len(raw)]))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def numpy_files():
    w = table(6, 3)
    for name, dtype in [("f2", "<f2"), ("f4", "<f4"), ("f8", "<f8"), ("f2_big", ">f2"), ("f4_big", ">f4"), ("f8_big", ">f8")]:
        np.save(HERE / f"{name}.npy", w.astype(dtype))
    np.save(HERE / "fortran.npy", np.asfortranarray(w.astype("<f4")))
    np.save(HERE / "fortran_big.npy", np.asfortranarray(w.astype(">f8")))
    arrays = {"user_emb": w.astype("<f4"), "item_emb": table(5, 2, 1), "bias": np.zeros(3), "ids": np.arange(4)}
    np.savez(HERE / "stored.npz", **arrays)
    np.savez_compressed(HERE / "deflated.npz", **arrays)


def safetensors_files():
    w = table(6, 3)
    bf16 = (w.astype("<f4").view("<u4") >> 16).astype("<u2")
    safetensors_file(
        HERE / "model.safetensors",
        {
            "user_embedding.weight": ("F32", w.astype("<f4")),
            "item_embedding.weight": ("F16", table(5, 2, 1).astype("<f2")),
            "tag_embedding.weight": ("BF16", bf16),
            "age_embedding.weight": ("F64", table(4, 2, 2)),
            "head.weight": ("F32", w.astype("<f4")),
            "ids": ("I64", np.arange(3)),
        },
    )
    sharded = HERE / "sharded"
    sharded.mkdir(exist_ok=True)
    safetensors_file(sharded / "model-1-of-2.safetensors", {"user_embedding.weight": ("F32", w.astype("<f4"))})
    safetensors_file(
        sharded / "model-2-of-2.safetensors",
        {"item_embedding.weight": ("F64", table(5, 2, 1)), "forgotten.weight": ("F64", table(5, 2))},
    )
    index = {
        "metadata": {"total_size": 0},
        "weight_map": {
            "user_embedding.weight": "model-1-of-2.safetensors",
            "item_embedding.weight": "model-2-of-2.safetensors",
        },
    }
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))


def column_files():
    w = table(6, 3)
    ragged = pa.array([[1.0], [1.0, 2.0], [], [3.0], [4.0], [5.0]], pa.list_(pa.float32()))
    half = pa.array([[np.float16(x) for x in row] for row in w], pa.list_(pa.float16()))
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(w.astype("f4").ravel()), 3)
    holes = pa.array([[1.0, 2.0], None, [1.0, 2.0], [1.0, 2.0], [1.0, 2.0], [1.0, 2.0]], pa.list_(pa.float64(), 2))
    columns = pa.table(
        {
            "id": pa.array(range(6)),
            "word": pa.array(list("abcdef")),
            "fixed": fixed,
            "lists": pa.array(w.tolist(), pa.list_(pa.float64())),
            "half": half,
            "ragged": ragged,
            "holes": holes,
            "counts": pa.array([[1, 2]] * 6, pa.list_(pa.int64())),
        }
    )
    for name, compression in [("plain", "none"), ("snappy", "snappy"), ("zstd", "zstd"), ("gzip", "gzip"), ("lz4", "lz4")]:
        version = "2.0" if name == "zstd" else "1.0"
        pa.parquet.write_table(
            columns, HERE / f"{name}.parquet", compression=compression, row_group_size=4, data_page_version=version
        )
    for name, compression in [("plain", None), ("lz4", "lz4"), ("zstd", "zstd")]:
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_file(HERE / f"{name}.arrow", columns.schema, options=options) as writer:
            writer.write_table(columns, max_chunksize=4)


def torch_files():
    single = torch.tensor(table(6, 3), dtype=torch.float32)
    state = torch.nn.ModuleDict({"user_emb": torch.nn.Embedding(6, 3), "top": torch.nn.Linear(3, 2)})
    state["user_emb"].weight.data = single.clone()
    torch.save(state.state_dict(), HERE / "state.pt")
    shared = torch.arange(24.0).reshape(6, 4)
    nested = {
        "epoch": 3,
        "loss": 0.25,
        "seed": 2**70,
        "steps": 2**40,
        "best": None,
        "done": True,
        "history": [1, -2, 70000, (3.5,)],
        "model": {
            "half_emb": single.half(),
            "bfloat_emb": single.bfloat16(),
            "double_emb": single.double(),
            "transposed_emb": single.t().contiguous().t(),
            "offset_emb": torch.cat([torch.zeros(2, 3), single])[2:],
            "sliced_emb": shared[:, :2],
            "parameter_emb": torch.nn.Parameter(single.clone()),
            "cube_emb": torch.zeros(2, 2, 2),
            "ids_emb": torch.arange(6).reshape(3, 2),
        },
        "optimizer": {"state": {0: {"exp_avg": single.clone()}}},
    }
    torch.save(nested, HERE / "nested.pt")
    # The same archive deflated, as another tool may write it.
    with zipfile.ZipFile(HERE / "state.pt") as archive, zipfile.ZipFile(
        HERE / "state_deflated.pt", "w", zipfile.ZIP_DEFLATED
    ) as out:
        for entry in archive.infolist():
            out.writestr(entry.filename, archive.read(entry))
    torch.save(single, HERE / "alone.pt")


def text_files():
    lines = [f"w{i} " + " ".join(f"{x:g}" for x in row) for i, row in enumerate(table(6, 3))]
    (HERE / "glove.txt").write_text("\n".join(lines) + "\n")
    (HERE / "word2vec.vec").write_text("\n".join(["6 3", *(line + " " for line in lines)]) + "\n")


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    torch.manual_seed(0)
    numpy_files()
    safetensors_files()
    column_files()
    torch_files()
    text_files()
