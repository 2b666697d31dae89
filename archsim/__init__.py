"""archsim: accelerator-architecture simulator for transformer inference."""
