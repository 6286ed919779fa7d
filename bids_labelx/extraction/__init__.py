"""The numerical core: arrays and images in, arrays out. It knows neither BIDS nor nipype."""
