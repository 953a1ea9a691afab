class PolicyOverSkills:
    def __init__(self):
        self.n = 0
        self.grid = [[0] * 4 for _ in range(3)]

    def next_skill(self, facts, finished, startable):
        self.n += 1
        row, column = divmod(self.n % 12, 4)
        self.grid[row][column] += facts.depth
        total = 0
        for line in self.grid:
            for value in line:
                if value > 6:
                    break
                if value == 0:
                    continue
                total += value
            else:
                total -= 1
        i = 0
        while i < len(startable):
            if len(startable[i]) == 8 + total % 3:
                break
            i += 1
        else:
            return startable[total % len(startable)]
        for j in range(len(startable) - 1, -1, -1):
            if j == i:
                return startable[j]
        return startable[0]

    def is_done(self, facts):
        diagonal = sum(self.grid[k][k] for k in range(3))
        columns = list(zip(*self.grid))
        return diagonal > 10 and max(map(sum, columns)) < 60 and all(len(column) == 3 for column in columns)
