"""What several tests need: one module for each subject. Fixtures that all tests may ask for are in `conftest.py`."""
