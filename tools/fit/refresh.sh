#!/bin/sh
# Everything that depends on the bundled networks, in this order, after a training run; from the root of a checkout:
#
#     FERPLUS=... PEOPLE=... tools/fit/refresh.sh constants INPUTS runs/faces/mtclar.pt   # 10 minutes on a free core
#     FERPLUS=... LONDON=... tools/fit/refresh.sh figures INPUTS                          # 15 minutes
#
# INPUTS holds people_crops.npz, people.npz (rendered, for training), test_people.npz, tune.npz, tune_people.npz,
# tune_clips, label_clips, test_clips, test_scenes, tune_scenes and frames.npz; the commands that make them are in
# docs/development/training.md.
# A page whose inputs are missing keeps its figures, and says of which encoder they are.
set -eu
what=$1 inputs=$2
python=${PYTHON:-.venv/bin/python}
here() { for name; do [ -e "$inputs/$name" ] || { echo "skipped: no $inputs/$name"; return 1; }; done; }
run() { echo "== $*"; "$python" -m "$@"; }

constants() {
    rm -f "$inputs/fitted.pt"
    run tools.fit.fit_absolute "$1" --ferplus "$FERPLUS" --real-people "$inputs/people_crops.npz" \
        --rendered-test "$inputs/test_people.npz" --out "$inputs/fitted.pt"
    cp "$inputs/fitted.pt" train/checkpoints/mtclar.pt
    run mtclar.cli.main export train/checkpoints/mtclar.pt --out engine/models --force
    run tools.convert.quantize --ferplus "$FERPLUS" --people "$inputs/people.npz"
    run tools.fit.fit_hidden_mouth "$PEOPLE" --ferplus "$FERPLUS" --rendered "$inputs/tune.npz" --write
    run tools.fit.fit_fewshot --people "$inputs/tune.npz" --clips "$inputs/tune_clips" \
        --real-people "$inputs/people_crops.npz" --ferplus "$FERPLUS"
    run tools.fit.fit_label --clips "$inputs/label_clips" --write
    run tools.docs.record_calibration --write
}

figures() {
    people="--people $inputs/test_people.npz"
    run tools.fit.measure_real_faces --ferplus "$FERPLUS" --real-people "$inputs/people_crops.npz" \
        --london "$LONDON" --rendered-test "$inputs/test_people.npz" --json docs/results/data/real-faces.json
    run tools.docs.make_docs results figures
    run experiments.networks.model_card --ferplus "$FERPLUS" $people --write
    run tools.docs.make_accuracy --ferplus "$FERPLUS"
    run experiments.label.modes --write
    here test_clips && run experiments.few_shot.measure $people --real-people "$inputs/people_crops.npz" --clips "$inputs/test_clips" --ferplus "$FERPLUS" --write
    here test_clips tune_people.npz && run experiments.few_shot.active_learning $people --clips "$inputs/test_clips" \
        --ferplus "$FERPLUS" --tune-people "$inputs/tune_people.npz" --tune-clips "$inputs/tune_clips" --write
    here test_scenes tune_scenes tune_people.npz && run experiments.calibration.enough $people --write \
        --scenes "$inputs/test_scenes" --ferplus "$FERPLUS" --tune-people "$inputs/tune_people.npz" \
        --tune-scenes "$inputs/tune_scenes"
    here test_scenes tune_scenes && run experiments.tracking.drift --scenes "$inputs/test_scenes" \
        --tune-scenes "$inputs/tune_scenes" --write
    here frames.npz && run experiments.networks.robustness --ferplus "$FERPLUS" --frames "$inputs/frames.npz" --write
    run tools.convert.quantize --ferplus "$FERPLUS" --test-people "$inputs/test_people.npz" --write
}

case $what in
constants) constants "$3" ;;
figures) figures ;;
*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
