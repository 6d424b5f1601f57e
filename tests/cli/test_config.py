"""Typed configurations."""

from pathlib import Path

import pytest
import yaml

from tfrec.config import ConfigError, build_model, find_config, load_config, parse_config

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*/*.yaml"))


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text("name: c\ndata: {name: synthetic}\nmodel: {name: ease, l2: 1e2}\n")
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_configuration_of_the_repository_is_valid(path):
    config = load_config(path)
    assert build_model(config).name == config.model["name"]
    assert path.stem in (config.model["name"], config.model.get("architecture"))
    assert config.protocol
    assert config.name == f"{path.parent.name}-{path.stem}"


def test_values_are_coerced_and_defaults_written_out(file):
    """YAML reads 1e2 as a string."""
    config = load_config(file)
    assert config.model == {"name": "ease", "l2": 100.0, "seed": 0}
    written = yaml.safe_load(config.to_yaml())
    assert written["evaluation"]["k"] == [5, 10, 20]
    assert written["split"] == {"method": "random", "test": 0.2, "by": "user", "seed": 42, "validation": False}
    assert parse_config(written) == config


def test_folds_are_completed_too(file):
    config = load_config(file, ["split={method: k_fold, seed: 7}"])
    assert config.split == {"method": "k_fold", "n_folds": 5, "by": "global", "seed": 7, "validation": False}
    assert parse_config(yaml.safe_load(config.to_yaml())) == config


def test_what_is_published_and_early_stopping(file):
    stopping = "fit.early_stopping={monitor: val_ndcg@10, patience: '2'}"
    config = load_config(
        file, ["published={metrics: {ndcg@10: 3e-1}, source: them}", stopping, "split.validation=true"]
    )
    written = yaml.safe_load(config.to_yaml())
    assert written["published"] == {"metrics": {"ndcg@10": 0.3}, "source": "them"}
    assert written["fit"]["early_stopping"] == {"monitor": "val_ndcg@10", "patience": 2, "restore_best": True}
    assert parse_config(written) == config


def test_what_is_only_said_does_not_count(file):
    said = ["published={metrics: {ndcg@10: 0.3}, source: them}", "expected.metrics={ndcg@10: 0.2}", "protocol=so"]
    assert load_config(file, said).what_counts() == load_config(file).what_counts()
    assert load_config(file, ["model.l2=3"]).what_counts() != load_config(file).what_counts()


def test_one_cutoff_and_one_metric_need_no_list(file):
    evaluation = load_config(file, ["evaluation.k=7", "evaluation.metrics=ndcg"]).evaluation
    assert (evaluation.k, evaluation.metrics) == ((7,), ("ndcg",))


def test_a_validation_part_that_is_given_counts(file):
    kept = load_config(file, ["split.validation=true"])
    given = load_config(file, ["split.validation=true", "evaluation.validation_given=true"])
    assert given.what_counts() != kept.what_counts()
    assert yaml.safe_load(given.to_yaml())["evaluation"]["validation_given"] is True
    assert yaml.safe_load(kept.to_yaml())["evaluation"]["validation_given"] is False


@pytest.mark.parametrize("split", ["{method: strong}", "{method: k_fold}", "{method: leave_out, validation: false}"])
def test_a_validation_part_that_is_not_there_cannot_be_given(file, split):
    with pytest.raises(ConfigError, match=r"validation_given needs something kept to validate on"):
        load_config(file, [f"split={split}", "evaluation.validation_given=true"])


def test_overrides(file):
    config = load_config(file, ["model.l2=3", "name=other", "evaluation.k=[1, 2]", "split.seed=7"])
    assert (config.name, config.model["l2"], config.evaluation.k, config.split["seed"]) == ("other", 3.0, (1, 2), 7)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.l3=5", r"unknown key model\.l3 \(did you mean l2\?\)"),
        ("splitt.seed=5", r"unknown key splitt \(did you mean split\?\)"),
        ("split.sed=5", r"unknown key split\.sed \(did you mean seed\?\)"),
        ("model.name=eas", r"model\.name is 'eas' \(did you mean ease\?\); there are "),
        ("model.l2=much", r"model\.l2: .*number.* got 'much'"),
        ("split.test=2", "split: random_split: expected test to be a share between 0 and 1, got 2"),
        ("split.test=much", r"split\.test: .*number.* got 'much'"),
        ("split.method=leav_out", r"split\.method is 'leav_out' \(did you mean leave_out\?\); there are random, "),
        ("split.validation=3", r"split\.validation is true or false, got 3"),
        ("split={method: leave_out, test: 0.5}", r"unknown key split\.test"),
        ("split={method: leave_out, n: 0}", "split: leave_out: n must be"),
        ("split={method: strong, validation: true}", r"split\.validation goes with splits of known users"),
        ("split={method: temporal, date: 2001-01-01, validation: true}", r"the same split\.date again"),
        ("split={method: k_fold, validation: true}", r"split\.validation goes with splits of .* not with k_fold"),
        ("split={method: k_fold, n_folds: 1}", r"split: k_fold: n_folds must be .* at least 2; got 1"),
        ("split={method: k_fold, n_fold: 3}", r"unknown key split\.n_fold \(did you mean n_folds\?\)"),
        ("split={method: k_fold, by: item}", r"split\.by: .*'user' or 'global', got 'item'"),
        ("evaluation.metrics=[ndcg, ndcg]", r"evaluation\.metrics: .*every metric once"),
        ("expected.tolerance=-1", r"expected\.tolerance: .*greater than or equal to 0"),
        ("expected.metrics={ndcg@10: .nan}", r"expected\.metrics\.ndcg@10: .*finite number"),
        ("data.name=netflix", r"data\.name is 'netflix'.*; there are ml-100k, "),
        ("data={name: amazon-2018}", r"data\.category must be given"),
        ("data={name: amazon-2014, category: Fashion, kin: ratings}", r"unknown key data\.kin \(did you mean kind\?\)"),
        ("data={name: gowalla}", r"gowalla comes as a published split: write `split: \{method: published\}`"),
        ("data.preprocess=[{step: k_cor}]", r"data\.preprocess: .* no step 'k_cor' \(did you mean 'k_core'\?\)"),
        ("data.preprocess=[{step: k_core, user: 0}]", r"data\.preprocess: user must be .* got 0"),
        ("name=../up", "name: "),
        ("model.l2", "--set takes key=value"),
        ("name.x=1", "name is a value, not a section"),
        ("model.l2=[", "is not a YAML value"),
        ("split.method=published", "synthetic has no published split"),
        ("split.seed=-1", "split: random_split: seed must be .* -1"),
        ("evaluation.k=[]", r"evaluation\.k: .*different numbers above 0"),
        ("evaluation.k=[5, 0]", r"evaluation\.k: .*different numbers above 0"),
        ("evaluation.metrics=[ndgc]", r"evaluation\.metrics: .*ndcg"),
        ("evaluation.validation_given=true", r"validation_given needs .*: write split\.validation: true"),
        ("evaluation.validation_given=much", r"evaluation\.validation_given: .* got 'much'"),
        ("expected.metrics={ndcg@7: 0.1}", r"expected\.metrics has ndcg@7.*not measured"),
        ("published={metrics: {ndgc@5: 0.1}, source: a}", r"published\.metrics has ndgc@5 \(did you mean ndcg@5\?\)"),
        ("published={metrics: {ndcg@5: 0.1}}", r"published\.source must be given"),
        ("published={metrics: {}, source: a}", r"published\.metrics: .* at least 1 item"),
        ("published={metrics: {ndcg@5: 0.1}, sorce: a}", r"published\.sorce \(did you mean source\?\)"),
        (
            "fit.early_stopping={monitor: loss, pacience: 2}",
            r"fit\.early_stopping\.pacience \(did you mean patience\?\)",
        ),
        ("fit.early_stopping={patience: 2}", r"fit\.early_stopping\.monitor must be given"),
        ("fit.early_stopping={monitor: loss, patience: 0}", r"early_stopping\.patience: .* equal to 1, got 0"),
        ("fit.early_stopping={monitor: val_ndcg@5}", r"nothing is kept to validate on: write split\.validation: true"),
        ("fit.early_stopping={monitor: val_ndcg@6}", r"'val_ndcg@6' \(did you mean val_ndcg@5\?\); there are loss, "),
        ("fit.early_stopping={monitor: val_loss}", r"monitor is 'val_loss'.*; there are loss, "),
        ("data.name=csv", r"data\.path must be given"),
        ("data.path=here", r"unknown key data\.path"),
        ("model.name=[ease]", r"model\.name is \['ease'\]"),
    ],
)
def test_what_does_not_fit_is_refused(file, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(file, [override])


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "name: [", "just text"])
def test_files_that_are_no_configuration(tmp_path, content):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(tmp_path / "bad.yaml")


def test_configurations_that_come_with_tfrec_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ml-100k/ease", "configs/ml-100k/ease.yaml"):
        assert load_config(name).name == "ml-100k-ease"
    with pytest.raises(ConfigError, match=r"did you mean ml-100k/ease\?"):
        find_config("ml-100k/eese")
