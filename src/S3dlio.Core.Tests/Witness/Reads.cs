using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Tests.Witness;

/// <summary>Whole objects by our own calls, compared with what is recorded.</summary>
static class Reads
{
    /// <param name="store">Where it is.</param>
    /// <param name="key">Its name.</param>
    /// <param name="required">That there is nothing to compare it with is an error.</param>
    public static async Task<byte[]> Whole(ObjectStore store, string key, bool required)
    {
        byte[] read = [];
        await ObjectRead.WholeAsync(
            store, key, count => LargeMemory.From(read = new byte[count]), new Validation(null, Required: required), NoProgress.Instance,
            default);
        return read;
    }

    public static byte[] Random(int length, int seed)
    {
        var data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    public static async Task<List<string>> List(ObjectStore store, string prefix, bool recursive, int pageSize)
    {
        var found = new List<string>();
        await foreach (var page in store.ListAsync(
                prefix, ListOptions.Default with { Recursive = recursive, PageSize = pageSize }, default))
            found.AddRange(page.Objects.Select(meta => $"{meta.Key} {meta.Size} {meta.ETag}").Concat(page.Prefixes));
        found.Sort(string.CompareOrdinal);
        return found;
    }
}
