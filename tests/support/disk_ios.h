#pragma once

#include <gtest/gtest.h>
#include <liburing.h>

#include <cerrno>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/async/run_loop.h"
#include "engine/async/task.h"
#include "engine/parts/io.h"
#include "variants/io/ios.h"
#include "variants/registry.h"

namespace lsmlab::test {

// Whether the variant can be made here: a machine may have or allow no io_uring. Where the kernel
// gives a ring, ours must be made.
inline bool Works(const IoVariant& io) {
  const auto made = io.make(DefaultSettings(io.settings));
  if (made.ok()) return true;
  io_uring ring;
  const int bare = io_uring_queue_init(4, &ring, 0);
  if (bare == 0) io_uring_queue_exit(&ring);
  EXPECT_TRUE(io.name.starts_with("uring") && (bare == -ENOSYS || bare == -EPERM))
      << made.status().ToString();
  return false;
}

// `uring` with registered files and buffers.
inline const IoVariant kRegisteredUring{"uring_registered", kUringIo.summary, kUringIo.settings,
                                        [](const SettingBag& settings) {
                                          SettingBag changed = settings;
                                          changed.Set("registered_files", true);
                                          changed.Set("registered_buffers", true);
                                          return kUringIo.make(changed);
                                        }};

// The variants that keep their files on a real disk.
inline std::vector<const IoVariant*> DiskIos() {
  std::vector<const IoVariant*> all;
  for (const IoVariant* io : IoVariants()) {
    if (io->name != "simulated" && Works(*io)) all.push_back(io);
  }
  if (Works(kRegisteredUring)) all.push_back(&kRegisteredUring);
  return all;
}

// Drives the calling thread until the task has ended. REQUIRES: nobody else posts to its loop.
template <typename T>
T FinishOn(Io& io, Task<T> task) {
  if (!task.Start()) {
    while (!task.done()) {
      if (!RunLoop::Current().RunReady()) io.Poll(INT64_MAX);
    }
  }
  return task.Take();
}

inline Task<void> DoOp(Io& io, IoOp& op) { co_await IoWait(io, op); }

}  // namespace lsmlab::test
