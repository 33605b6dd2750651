using System.Runtime.CompilerServices;

namespace S3dlio.Storage.Local;

public sealed partial class LocalStore
{
    /// <remarks>
    /// Files only: devices, FIFOs, sockets and objects that are being written are left out; a name that is not UTF-8 is listed as
    /// <see cref="IO.PathText"/> has it. With <see cref="ListOptions.Recursive"/> off, directories are prefixes, empty ones too. A
    /// directory that is not there lists nothing; one that may not be read is an error.
    /// </remarks>
    public override async IAsyncEnumerable<ListPage> ListAsync(
        string prefix, ListOptions options, [EnumeratorCancellation] CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        ObjectKey.CheckPrefix(Root, prefix);
        options.Check(Root);
        await ValueTask.CompletedTask.ConfigureAwait(false);
        int slash = prefix.LastIndexOf('/');
        var listing = new Listing(
            Root.Child(prefix), _path.Directory(prefix[..(slash + 1)]), prefix[..(slash + 1)], prefix[(slash + 1)..], options);
        while (true)
        {
            var page = listing.NextPage(cancel);
            if (page.Objects.Count + page.Prefixes.Count == 0)
                yield break;
            yield return page;
        }
    }
}
