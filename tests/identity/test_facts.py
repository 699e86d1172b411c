from featurectl.identity.facts.sources import plain_query
from featurectl.identity.facts.views import feature_facts
from featurectl.identity.registered_kinds import data_facts
from tests.definitions import DELAYS


def test_a_view_s_data_facts_are_those_of_its_features_together():
    features = feature_facts(DELAYS)
    assert data_facts(DELAYS).keys() == {field for facts in features.values() for field in facts}
    assert all(data_facts(DELAYS)[field] == fact for facts in features.values() for field, fact in facts.items())


def test_features_of_one_input_have_what_it_reads_and_a_count_has_no_input():
    features = feature_facts(DELAYS)
    assert features["arr_delay_mean_7d"]["source.columns.arr_delay"].value == "float64"
    assert features["arr_delay_mean_7d"]["aggregates.arr_delay_mean_7d.column"].text == "arr_delay"
    assert features["count_1d"]["aggregates.count_1d.column"].value is None


def test_comments_in_quotes_are_kept():
    assert plain_query("select '-- no', \"/* no */\" /* yes */ from t -- yes") == "select '-- no', \"/* no */\" from t"
