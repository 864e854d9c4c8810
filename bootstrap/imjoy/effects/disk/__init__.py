"""The disk: files written whole, who may read them, folders removed, and the lock on one."""
