"""What tests of several kinds use: the parts they run against, and stand-ins for what fails, lies or is slow."""
