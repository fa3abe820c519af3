"""Many tasks learn together on one encoder, each picture teaching all that is known of it."""
