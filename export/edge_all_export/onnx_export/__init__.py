"""From a checkpoint to ONNX files: conversion, gate, parity, model card."""
