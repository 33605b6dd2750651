using System.Globalization;
using System.Text;
using S3dlio.Hashing;
using S3dlio.Storage.Http;

namespace S3dlio.Storage.Remote.Azure;

public sealed partial class AzureStore
{
    /// <summary>
    /// Blocks staged under a name, which become the object with one commit. Their identifiers hold a number that only this upload has, so
    /// writers of one name never mix. What is never committed the service drops after a week; there is no call that does it sooner.
    /// </summary>
    sealed class BlockUpload(AzureStore store, string key)
    {
        /// <summary>The service's limit.</summary>
        public const int MostBlocks = 50_000;

        // joining blocks takes the service time when there are many
        static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

        /// <summary>What tells this write from every other.</summary>
        public string Write { get; } = Guid.NewGuid().ToString("n");

        /// <param name="number">Any, once each; the commit names the order.</param>
        /// <param name="pieces">Not changed until this is done.</param>
        /// <param name="hash">Of the pieces.</param>
        /// <param name="progress">Hears of bytes as they go.</param>
        /// <param name="cancel">Stops it.</param>
        public async ValueTask StageAsync(int number, IReadOnlyList<ReadOnlyMemory<byte>> pieces, BodyHash hash, IProgress<long>? progress, CancellationToken cancel)
        {
            var request = store.Request(HttpMethod.Put, key, new HttpBody(pieces, progress)).Ask("comp", "block").Ask("blockid", Id(number));
            if (hash.Header is var (name, value))
                request.Say(name, value);
            await store._client.SendAsync(request, static answer => answer.Status, cancel).ConfigureAwait(false);
        }

        /// <summary>Makes the object appear, made of the blocks in this order.</summary>
        public ValueTask<ObjectMeta> CommitAsync(IEnumerable<int> order, long size, Checksum checksum, BlockChecksums? blocks, PutOptions options, CancellationToken cancel)
        {
            var list = new StringBuilder("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
            foreach (int number in order)
                // the latest: a second attempt finds committed what the first has committed
                list.Append("<Latest>").Append(Id(number)).Append("</Latest>");
            byte[] text = Encoding.ASCII.GetBytes(list.Append("</BlockList>").ToString());
            var request = store.Request(HttpMethod.Put, key, new HttpBody(text), Patience).Ask("comp", "blocklist");
            request.Say("Content-Type", "application/xml");
            if (BodyHash.Of([text], store._client.Check, cancel).Header is var (name, value))
                request.Say(name, value);
            return store.WriteAsync(key, request, size, checksum, blocks, Write, options, cancel);
        }

        // all identifiers of a name have to be of one length; this is the one of Microsoft's own .NET library
        string Id(int number) =>
            Convert.ToBase64String(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"s3dlio-{Write}{number:d9}")));
    }
}
