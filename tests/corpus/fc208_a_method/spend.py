class Spend:
    def total(self, orders):
        return orders
