#include <algorithm>
#include <cerrno>
#include <set>
#include <utility>

#include "variants/io/posix_errors.h"
#include "variants/io/sim_disk.h"
#include "variants/io/sim_file.h"

// The operations of SimDisk on names, and its helpers for tests.
namespace lsmlab {
namespace {

// The components of a path; "." and doubled slashes are dropped.
std::vector<std::string> Components(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    begin = end + 1;
  }
  return parts;
}

void ListFiles(const SimInode& directory, const std::string& prefix,
               std::vector<std::string>& files) {
  for (const auto& [name, inode] : directory.names) {
    if (inode->is_directory) {
      ListFiles(*inode, prefix + name + "/", files);
    } else {
      files.push_back(prefix + name);
    }
  }
}

}  // namespace

Result<SimDisk::Place> SimDisk::Find(const char* operation, const std::string& path) const {
  const std::vector<std::string> parts = Components(path);
  Place place;
  place.inode = root_;
  for (const std::string& part : parts) {
    if (part == "..") return StatusFromErrno(operation, path, EINVAL);
    if (place.inode == nullptr) return StatusFromErrno(operation, path, ENOENT);
    if (!place.inode->is_directory) return StatusFromErrno(operation, path, ENOTDIR);
    place.directory = std::move(place.inode);
    place.name = part;
    const auto found = place.directory->names.find(part);
    place.inode = found == place.directory->names.end() ? nullptr : found->second;
  }
  return place;
}

std::shared_ptr<SimInode> SimDisk::Create(const Place& place, bool is_directory) {
  auto inode = std::make_shared<SimInode>(next_inode_++, is_directory);
  inode->links = 1;
  place.directory->names.emplace(place.name, inode);
  name_changes_.push_back(NameChange{inode, nullptr, place.directory, "", place.name});
  return inode;
}

Status SimDisk::Open(IoOp& op, bool direct) {
  const bool create = op.mode == OpenMode::kCreate;
  const char* operation = create ? "create" : "open";
  Result<Place> found = Find(operation, op.path);
  if (!found.ok()) return found.status();
  Place& place = found.value();
  if (create && place.inode != nullptr) return StatusFromErrno(operation, op.path, EEXIST);
  if (!create && place.inode == nullptr) return StatusFromErrno(operation, op.path, ENOENT);
  if (create) place.inode = Create(place, false);
  if (place.inode->is_directory) {
    return Status::IoError("open " + op.path + ": not a regular file");
  }
  op.opened = std::make_unique<SimFile>(op.path, shared_from_this(), place.inode,
                                        op.mode != OpenMode::kRead, direct);
  return Status();
}

// Removes and returns the changes that a sync of the directory makes durable, in order: those of
// its names, and the earlier ones of the same files elsewhere (a rename across directories).
std::vector<NameChange> SimDisk::TakeNameChanges(const SimInode& directory) {
  std::set<const SimInode*> inodes;
  std::vector<NameChange> taken, left;
  for (auto change = name_changes_.rbegin(); change != name_changes_.rend(); ++change) {
    const bool take = change->Touches(&directory) || inodes.contains(change->inode.get());
    if (take) inodes.insert(change->inode.get());
    (take ? taken : left).push_back(std::move(*change));
  }
  std::reverse(taken.begin(), taken.end());
  std::reverse(left.begin(), left.end());
  name_changes_ = std::move(left);
  return taken;
}

Status SimDisk::SyncDirectory(const IoOp& op) {
  Result<Place> place = Find("fsync directory", op.path);
  if (!place.ok()) return place.status();
  if (place->inode == nullptr) return StatusFromErrno("fsync directory", op.path, ENOENT);
  if (!place->inode->is_directory) return StatusFromErrno("fsync directory", op.path, ENOTDIR);
  for (const NameChange& change : TakeNameChanges(*place->inode)) change.Fold();
  return Status();
}

// Makes the directories on the way to a path, durably; `with_last` also the path itself.
void SimDisk::MakeChain(const std::string& path, bool with_last) {
  const std::vector<std::string> parts = Components(path);
  const size_t count = with_last ? parts.size() : parts.empty() ? 0 : parts.size() - 1;
  std::shared_ptr<SimInode> at = root_;
  for (size_t i = 0; i < count && at->is_directory; ++i) {
    std::shared_ptr<SimInode>& next = at->names[parts[i]];
    if (next == nullptr) {
      next = std::make_shared<SimInode>(next_inode_++, true);
      next->links = 1;
      at->durable_names[parts[i]] = next;
    }
    at = next;
  }
}

Status SimDisk::MakeDirectory(const IoOp& op) {
  if (options_.implicit_parents) MakeChain(op.path, false);
  Result<Place> place = Find("make directory", op.path);
  if (!place.ok()) return place.status();
  if (place->inode == nullptr) {
    Create(place.value(), true);
  } else if (!place->inode->is_directory) {
    return StatusFromErrno("make directory", op.path, EEXIST);
  }
  return Status();
}

Status SimDisk::List(IoOp& op) {
  op.entries.clear();
  Result<Place> place = Find("list", op.path);
  if (!place.ok()) return place.status();
  if (place->inode == nullptr) return StatusFromErrno("list", op.path, ENOENT);
  if (!place->inode->is_directory) return StatusFromErrno("list", op.path, ENOTDIR);
  for (const auto& [name, inode] : place->inode->names) {
    DirEntry& entry = op.entries.emplace_back();
    entry.name = name;
    entry.is_directory = inode->is_directory;
    entry.is_regular = !inode->is_directory;
    entry.size = inode->current.size();
  }
  return Status();
}

Status SimDisk::Rename(const IoOp& op) {
  Result<Place> source = Find("rename", op.path);
  if (!source.ok()) return source.status();
  Result<Place> target = Find("rename", op.path_to);
  if (!target.ok()) return target.status();
  Place& from = source.value();
  Place& to = target.value();
  if (from.inode == nullptr) return StatusFromErrno("rename", op.path, ENOENT);
  if (from.directory == nullptr || to.directory == nullptr) {
    return StatusFromErrno("rename", op.path, EBUSY);
  }
  if (from.inode == to.inode) return Status();
  if (to.inode != nullptr && (to.inode->is_directory || from.inode->is_directory)) {
    return StatusFromErrno("rename", op.path, EEXIST);
  }
  from.directory->names.erase(from.name);
  to.directory->names.insert_or_assign(to.name, from.inode);
  name_changes_.push_back(NameChange{from.inode, from.directory, to.directory, from.name, to.name});
  if (to.inode != nullptr) {
    --to.inode->links;
    ReleaseIfUnused(*to.inode);
  }
  return Status();
}

Status SimDisk::Unlink(const IoOp& op) {
  Result<Place> found = Find("unlink", op.path);
  if (!found.ok()) return found.status();
  Place& place = found.value();
  if (place.inode == nullptr) return StatusFromErrno("unlink", op.path, ENOENT);
  if (place.inode->is_directory) return StatusFromErrno("unlink", op.path, EISDIR);
  place.directory->names.erase(place.name);
  name_changes_.push_back(NameChange{place.inode, place.directory, nullptr, place.name, ""});
  --place.inode->links;
  ReleaseIfUnused(*place.inode);
  return Status();
}

Status SimDisk::Lock(IoOp& op) {
  Result<Place> found = Find("lock", op.path);
  if (!found.ok()) return found.status();
  Place& place = found.value();
  if (place.inode == nullptr) place.inode = Create(place, false);
  if (place.inode->is_directory) {
    return Status::IoError("lock " + op.path + ": not a regular file");
  }
  if (place.inode->locked) {
    return Status::Busy("lock " + op.path + ": held by another store of this process");
  }
  op.opened = std::make_unique<SimLockFile>(op.path, shared_from_this(), place.inode);
  return Status();
}

Result<std::shared_ptr<SimInode>> SimDisk::FindFile(const std::string& path) const {
  Result<Place> place = Find("open", path);
  if (!place.ok()) return place.status();
  if (place->inode == nullptr) return StatusFromErrno("open", path, ENOENT);
  if (place->inode->is_directory) return StatusFromErrno("open", path, EISDIR);
  return place->inode;
}

std::vector<std::string> SimDisk::Files() const {
  std::lock_guard guard(mutex_);
  std::vector<std::string> files;
  ListFiles(*root_, "/", files);
  return files;
}

Result<std::string> SimDisk::Contents(const std::string& path) const {
  std::lock_guard guard(mutex_);
  Result<std::shared_ptr<SimInode>> inode = FindFile(path);
  if (!inode.ok()) return inode.status();
  const SimContent& content = inode.value()->current;
  std::string bytes(static_cast<size_t>(content.size()), '\0');
  content.Read(0, bytes.data(), bytes.size());
  return bytes;
}

Status SimDisk::SetContents(const std::string& path, std::string_view bytes) {
  std::lock_guard guard(mutex_);
  Result<std::shared_ptr<SimInode>> found = FindFile(path);
  if (!found.ok()) return found.status();
  SimInode& inode = *found.value();
  inode.current.Resize(0);
  inode.current.Write(0, bytes.data(), bytes.size());
  inode.durable = inode.current;
  inode.pending.clear();
  inode.lost = false;
  return Status();
}

Status SimDisk::FlipBit(const std::string& path, uint64_t bit) {
  std::lock_guard guard(mutex_);
  Result<std::shared_ptr<SimInode>> found = FindFile(path);
  if (!found.ok()) return found.status();
  for (SimContent* content : {&found.value()->current, &found.value()->durable}) {
    char byte;
    if (content->Read(bit / 8, &byte, 1) == 0) continue;
    byte = static_cast<char>(byte ^ (1 << (bit % 8)));
    content->Write(bit / 8, &byte, 1);
  }
  return Status();
}

void SimDisk::MakeDirectories(const std::string& path) {
  std::lock_guard guard(mutex_);
  MakeChain(path, true);
}

}  // namespace lsmlab
