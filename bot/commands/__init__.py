"""Words to runs and back: `start demo seed=1`, `pause r3`, `status`.

`bot.verbs` declares every verb; `grammar` reads what people type; `hearing` lets those act who may,
asks back and audits; `life`, `people` and `telling` carry the verbs out.
"""
