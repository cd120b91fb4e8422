"""What a report says: rates against AWS's lines, who spends the budget, how sure that is. Pure."""
