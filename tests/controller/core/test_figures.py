from controller.core.figures import SHORTEST_LEASE


def test_no_lease_of_a_site_is_longer_than_the_site_file_says():
    assert 0.0 < SHORTEST_LEASE < 1.0
