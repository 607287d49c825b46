"""The command lines that write the files of `tests/compat`, and those that the files must answer alike for ever."""

__all__ = ["EXTRACTIONS", "FINETUNED", "KILLED", "RUNS", "SOLVED", "list_questions", "predict"]

HERE = "--weights weights.safetensors -q"
COMPUTE = "--precision float32 --device cpu -j 0"
FINETUNE = f"finetune images.csv --image-size 24 {COMPUTE} -q"
TRAINED = f"{FINETUNE} --weights weights.safetensors -b 8"
# Where oneDNN computes with AVX2 (ONEDNN_MAX_CPU_ISA=AVX2), training a width of 1 corrupts the heap and aborts.
NETWORK = "--network resnet164 --set finetune.blocks=1 --set finetune.width=4"

EXTRACTIONS = {
    "half.h5": f"extract images.csv -o half.h5 {HERE} {COMPUTE} --layer relu1_1 --image-size 24 --resize crop "
    "--on-error skip --pooling max,avg,avg-raw,bilinear-reduce6,bilinear-variance40,compact-d64,compact-rm-d16",
    "full.h5": f"extract images.csv -o full.h5 {HERE} {COMPUTE} --backbone mobilenet_v3_small --layer features.0 "
    "--image-size 24 --dtype float32 --flip --compress --on-error skip --pooling bilinear,bilinear-full-reduce4",
}
SOLVE = f"train-head {HERE} --device cpu --cv 3"
SOLVED = {
    "svm.safetensors": f"{SOLVE} half.h5 --pooling avg --head svm -o svm.safetensors",
    "softmax.safetensors": f"{SOLVE} full.h5 --pooling bilinear --head softmax --weight-dtype float32 "
    "-o softmax.safetensors",
    "ridge.safetensors": f"{SOLVE} half.h5 --pooling bilinear-reduce6 --head ridge -C 1 --no-embed-backbone "
    "-o ridge.safetensors",
    "selection.safetensors": f"{SOLVE} half.h5 --pooling bilinear-variance40 --head softmax -C 10 "
    "--class-weights balanced -o selection.safetensors",
    "sketch.safetensors": f"{SOLVE} half.h5 --pooling compact-d64 --head svm -C 1 --no-calibrate --no-embed-backbone "
    "-o sketch.safetensors",
    "maclaurin.safetensors": f"{SOLVE} half.h5 --pooling compact-rm-d16 --head softmax -C 1 -o maclaurin.safetensors",
    "max.safetensors": f"{SOLVE} half.h5 --pooling max --head softmax -C 0.1 --solver streamed "
    "--weight-dtype float16 -o max.safetensors",
    "full.safetensors": f"{SOLVE} full.h5 --pooling bilinear-full-reduce4 --head ridge -C 1 -o full.safetensors",
}
# Each is the best model of a run that is not kept.
FINETUNED = {
    "linear.safetensors": f"{TRAINED} --layer relu1_1 --head linear --resize letterbox --lr 0.1 --epochs 8 "
    "-o run-linear",
    "bilinear.safetensors": f"{TRAINED} --layer relu1_1 --head bilinear-reduce4 --lr 0.5 --epochs 2 -o run-bilinear",
    "compact.safetensors": f"{TRAINED} --layer relu1_1 --head compact-d32 --lr 1 --backbone-lr 0.0001 --epochs 8 "
    "-o run-compact",
    "fb.safetensors": f"{TRAINED} --layer conv1_1 --head fb --factors 2 --lr 0.05 --epochs 8 -o run-fb",
    "tanh.safetensors": f"{FINETUNE} {NETWORK} --head tanh --lr 0.1 -b 4 --epochs 10 -o run-tanh",
}
SCHEDULED = "--epochs 3 -b 4 --set finetune.log_steps=4"
RUNS = {
    "killed": f"{FINETUNE} {SCHEDULED} --weights weights.safetensors --layer relu1_1 --head bilinear-reduce4 --lr 0.5 "
    "--ema-decay 0.9 --mixup 0.2 --cutmix 0.5 --grad-accum-steps 2 --clip-grad 1 --freeze-epochs 1 --slow-start 1 "
    "--wd 0.0001 --set finetune.checkpoint_steps=10 -o killed",
    "stopped": f"{FINETUNE} {SCHEDULED} --weights weights.safetensors --layer conv1_1 --head fb --factors 2 --lr 0.01 "
    "--set finetune.drop_mask=sample --optimizer nag --sched milestones --milestones 1,2 --label-smoothing 0.1 "
    "-o stopped",
}
KILLED = (
    f"extract images.rec -o killed.h5 {HERE} {COMPUTE} -b 1 --layer relu1_1 --image-size 16 "
    "--pooling bilinear-reduce4-variance6,compact-d16"
)

EVALUATE = f"evaluate {HERE} {COMPUTE} --fail-under top1=0.1"
SOME = "images/08.png images/09.png images/22.png images/torn.png images/36.png"


def predict(model: str, options: str = "--format json", images: str = SOME) -> str:
    """Return the command line that names what is in some images, one of which is torn."""
    return f"predict {images} -m {model} {options} {HERE} {COMPUTE}"


def list_questions() -> dict[str, tuple[str, str]]:
    """Return, by name, a command line and where its answer is: a file, or stdout as a file of that suffix."""
    models = (*SOLVED, *FINETUNED)
    asked = {f"info {file}": (f"info {file} --json", "stdout.json") for file in (*EXTRACTIONS, *models)}
    asked |= {f"predict {model}": (predict(model), "stdout.json") for model in models}
    for form in ("csv", "jsonl"):
        asked[f"predict as {form}"] = (predict("svm.safetensors", f"-k 2 --format {form}"), f"stdout.{form}")
    for model in ("svm", "selection", "fb"):
        options = f"--format json --explain evidence-{model} --versus ibis"
        line = predict(f"{model}.safetensors", options, "images/22.png")
        asked[f"explain {model}"] = (line, f"evidence-{model}/evidence.jsonl")
    for model, data in (("svm", "images.csv"), ("fb", "images.csv"), ("softmax", "full.h5")):
        answer = f"evaluation-{model}.json"
        asked[f"evaluate {model}"] = (f"{EVALUATE} {data} -m {model}.safetensors --json {answer}", answer)
    for model in ("svm", "tanh"):
        line = f"{FINETUNE} --init-from {model}.safetensors --lr 0.01 --epochs 1 -b 8 -o from-{model}"
        asked[f"start from {model}"] = (line, f"from-{model}/metrics.csv")
    answer = "compared.json"
    asked["compare evaluations"] = (f"compare evaluation-svm.json evaluation-fb.json --json {answer}", answer)
    answer = "compared-on-cache.json"
    compared = f"compare ridge.safetensors evaluation-svm.json --data half.h5 --json {answer} {HERE} {COMPUTE}"
    asked["compare models"] = (compared, answer)
    return asked | {
        "neighbors": (
            f"neighbors {SOME} -c half.h5 --pooling bilinear-reduce6 -k 3 --device cpu --json {HERE}",
            "stdout.jsonl",
        ),
        "audit": ("data audit half.h5 --pooling avg --json -q", "stdout.json"),
        "audit as csv": ("data audit half.h5 --pooling avg -o audit -q", "audit/audit.csv"),
        "check": ("data check images.csv -j 0 --json", "stdout.json"),
        "stats": ("data stats images.rec --json", "stdout.json"),
    }
