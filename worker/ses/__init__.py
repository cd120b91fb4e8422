"""What is asked of SES itself: its suppression list, and the state of the account."""
