"""Words to runs and back: `start demo seed=1`, `pause r3`, `status`.

`bot.verbs` declares every verb; `grammar` reads what people type; `finding` says which run is meant;
`hearing` lets those act who may and audits; `questions` asks back; `notes` shows a run's thread who
said what; `life`, `people`, `voting` and `telling` carry the verbs out.
"""
