"""The turn engine: begin, run, checkpoint, finish, take over, channel."""
