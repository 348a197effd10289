// Every kernel of the project: what is compiled into one image.
#include "../include/layouts.cuh"
#include "cast.cu"
#include "combine.cu"
#include "control.cu"
#include "enter.cu"
#include "layout.cu"
#include "place.cu"
