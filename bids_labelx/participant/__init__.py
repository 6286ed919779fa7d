"""The work on one run and on a participant, without nipype."""
