using System.Globalization;
using System.Text;
using S3dlio.Http;

namespace S3dlio.Storage.Remote.Azure;

sealed partial class AzureStore
{
    /// <summary>
    /// Blocks staged under a name, which become the object with one commit. Their identifiers hold a number that only this upload has, so
    /// writers of one name never mix. What is never committed the service drops after a week; no call does it sooner.
    /// </summary>
    sealed class BlockUpload(AzureStore store, string key) : PartUpload
    {
        // joining blocks takes the service time when there are many
        static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

        readonly string _write = NewWrite();

        protected override async ValueTask<string> SendAsync(
            int number, PayloadPart part, PartHash hash, IProgress<long>? progress, CancellationToken cancel)
        {
            var request = store.Request(
                HttpMethod.Put, key, new HttpBody(part.Pieces, progress)).WithQuery("comp", "block").WithQuery("blockid", Id(number));
            AddTransferHash(request, part, hash);
            await store._client.SendAsync(request, cancel).ConfigureAwait(false);
            return "";
        }

        public override ValueTask<ObjectMeta> CompleteAsync(PutOptions options, CancellationToken cancel)
        {
            var list = new StringBuilder("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
            foreach (int number in Parts.Keys)
                // the latest: a second attempt finds committed what the first has committed
                list.Append("<Latest>").Append(Id(number)).Append("</Latest>");
            var text = new PayloadPart(Encoding.ASCII.GetBytes(list.Append("</BlockList>").ToString()));
            var request = store.Request(HttpMethod.Put, key, new HttpBody(text.Pieces), patience: Patience).WithQuery(
                "comp", "blocklist").WithHeader("Content-Type", "application/xml");
            AddTransferHash(request, text, text.Hash(store.TransferHash, cancel));
            return store.WriteAsync(key, request, Length, Whole!.Value, Blocks, _write, options, cancel);
        }

        // all identifiers of a name have to be of one length; this is the one of Microsoft's own .NET library
        string Id(int number) =>
            Convert.ToBase64String(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"s3dlio-{_write}{number:d9}")));
    }
}
