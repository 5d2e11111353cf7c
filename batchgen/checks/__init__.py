"""All that can be known of a job before anything is paid."""
