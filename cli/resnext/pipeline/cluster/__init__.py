"""`--cluster`: the same run on many machines. Ray starts workers and carries what passes between them; nothing of a
scheduler is written here.

The driver lists the inputs and cuts them into numbered shards (`cut`). Each goes to a worker (`worker`), which does
with it what the plain command does, and puts its rows in place as one part (outputs/parts). `machines` are the
workers that there are, `casualties` what happens to a shard whose workers die, `driver` is the loop.
"""
