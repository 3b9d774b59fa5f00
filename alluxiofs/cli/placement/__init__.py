"""How evenly policies place files on workers, what that costs, and what becomes of it when a worker leaves."""
