"""The ImJoy Plugin Engine: a small server that runs native Python plugins in processes of their own."""
