"""What a chat platform does to the bot, and whether a vote or a message is lost by it."""
