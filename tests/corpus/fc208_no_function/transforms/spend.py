def total(orders):
    return orders
