"""Print the short keys of BIDS' entities in their order, for bids_labelx/data/entities.txt.

`stat` and `meas` are not official yet and stand before `desc`.
"""

from bidsschematools.schema import load_schema

schema = load_schema()
keys = [schema.objects.entities[name]["name"] for name in schema.rules.entities]
keys[keys.index("desc") : keys.index("desc")] = ["stat", "meas"]
print(*keys, sep="\n")
