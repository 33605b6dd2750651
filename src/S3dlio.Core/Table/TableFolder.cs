using S3dlio.IO;

namespace S3dlio.Table;

/// <summary>The directory of a table for its one writer.</summary>
static class TableFolder
{
    public static IDisposable Lock(Disk disk, string directory)
    {
        disk.List(directory);
        return disk.TryLock($"{directory}/LOCK", out string holder) ?? throw new StoreException(
            ErrorKind.Unavailable, directory,
            $"another writer has this table: {holder}. One writer at a time; read with mode \"r\", or wait until it is closed");
    }

    /// <summary>Removes what a writer that ended before its work was whole left behind: temporaries.</summary>
    public static void Clean(Disk disk, string directory)
    {
        foreach (string name in disk.List(directory).Where(name => name.StartsWith("tmp-", StringComparison.Ordinal)))
            disk.Unlink($"{directory}/{name}");
    }

    /// <summary>Removes manifests newer than the one that was opened, and then all files that no manifest names.</summary>
    public static void RemoveOthers(Disk disk, string directory, long opened)
    {
        var versions = TableRecovery.Manifests(disk, directory);
        foreach (long version in versions.Where(version => version > opened))
            disk.Unlink($"{directory}/{TableManifest.NameOf(version)}");
        if (versions[^1] > opened)
            disk.SyncDirectory(directory);
        var named = new HashSet<string>(StringComparer.Ordinal);
        foreach (long version in versions.Where(version => version <= opened))
        {
            try
            {
                named.UnionWith(TableRecovery.ReadManifest(disk, directory, version).Segments.Select(one => one.Name));
            }
            catch (StoreException)
            {
                // of one that is damaged nobody knows what it names: everything stays
                return;
            }
        }
        var folders = disk.List(directory).Where(name => name.Length == 13 && name.StartsWith("rows-", StringComparison.Ordinal));
        foreach (string folder in folders)
        {
            foreach (string file in disk.List($"{directory}/{folder}").Where(file => !named.Contains($"{folder}/{file}")))
                disk.Unlink($"{directory}/{folder}/{file}");
        }
    }
}
