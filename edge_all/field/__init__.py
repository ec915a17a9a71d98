"""Fields of the smear: gate, detector, illumination, scale, sharpness, stage."""
