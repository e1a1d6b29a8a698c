#pragma once

#include "engine/parts/executor.h"

namespace lsmlab {

// The caller does everything; one thread at a time. Deterministic, and shuffled by a seed.
extern const ExecutorVariant kInlineExecutor;
// Callers run on their own threads, background tasks on a pool.
extern const ExecutorVariant kThreadsExecutor;
// Event loops for background tasks and for callers' tasks.
extern const ExecutorVariant kReactorExecutor;

}  // namespace lsmlab
