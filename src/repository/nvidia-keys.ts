/** A public key of NVIDIA's that this action carries, so that no server is asked which key to trust. */
interface NvidiaKey {
  fingerprint: string;
  /** Whom it says it belongs to. */
  userId: string;
  /** When it was made (UTC). None of them expires. */
  created: string;
  /** Where NVIDIA publishes it. */
  published: string;
  /** The primary key, its user id and its own signature over it: what it takes to check a repository. Binary, base64. */
  base64: string;
}

/**
 * NVIDIA's keys by their fingerprints. A test compares bytes and fingerprints; docs/facts.md (C2) says what else was compared.
 * Not here, because its bytes were not to be had: the key of Ubuntu 26.04's repository, which is fetched from there and
 * compared with its fingerprint.
 */
const KEYS: readonly NvidiaKey[] = [
  {
    fingerprint: 'EB693B3035CD5710E231E123A4B469963BF863CC',
    userId: 'cudatools <cudatools@nvidia.com>',
    created: '2022-04-14',
    published: 'https://developer.download.nvidia.com/compute/cuda/repos/debian12/x86_64/3bf863cc.pub',
    base64: `
mQINBGJYmlEBEAC6nJmeqByeReM+MSy4palACCnfOg4pOxffrrkldxz4jrDOZNK4q8KG+ZbXrkdP0e9qTFRvZzN+A6Jw3ySfoiKXRBw5l2Zp81AYkghV641O
pWNjZOyLsyKEtST9LR1ttHv1ZI71pj8NVG/EnpimZPOblEJ1OpibJJCXLrbn+qcJ8JNuGTSK6v2aLBmhR8VR/aSJpmkg7fFjcGklweTI8+Ibj72HuY9JRD/+
dtUoSh7z037mWo56ee02lPFRD0pHOEAlLSXxFO/SDqRVMhcgHk0a8roCF+9h5Ni7ZUyxlGK/uHkqN7ED/U/ATpGKgvk4t23eTpdRC8FXAlBZQyf/xnhQXsyF
/z7+RV5CL0o1zk1LKgo+5K325ka5uZb6JSIrEPUaCPEMXu6EEY8zSFnCrRS/Vjkfvc9ViYZWzJ387WTjAhMdS7wdPmdDWw2ASGUP4FrfCireSZiFX+ZAOspK
pZdh0P5iR5XSx14XDt3jNK2EQQboaJADuqksItatOEYNu4JsCbc24roJvJtGhpjTnq1/dyoy6K433afU0DS2ZPLthLpGqeyKMKNY7a2WjxhRmCSu5Zok/fGK
cO62XF8a3eSj4NzCRv8LM6mG1Oekz6Zz+tdxHg19ufHO0et7AKE5q+5VjE438Xpl4UWbM/Voj6VPJ9uzywDcnZXpeOqeTQh2pQARAQABtCBjdWRhdG9vbHMg
PGN1ZGF0b29sc0BudmlkaWEuY29tPokCOQQTAQIAIwUCYliaUQIbAwcLCQgHAwIBBhUIAgkKCwQWAgMBAh4BAheAAAoJEKS0aZY7+GPM1y4QALKhBqSozrYb
e341Qu7SyxHQgjRCGi4YhI3bHCMj5F6vEOHnwiFH6YmFkxCYtqcGjca6iw7cCYMow/hgKLAPwkwSJ84EYpGLWx62+20rMM4OuZwauSUcY/kE2WgnQ74zbh3+
MHs56zntJFfJ9G+NYidvwDWeZn5HIzR4CtxaxRgpiykg0s3ps6X0U+vuVcLnutBF7r81astvlVQERFbce/6KqHK+yj843Qrhb3JEolUoOETK06nD25bVtnAx
e0QEyA909MpRNLfR6BdjPpxqhphDcMOhJfyubAroQUxG/7S+Yw+mtEqHrL/dz9iEYqodYiSozfi0b+HFI59sRkTfOBDBwb3kcARExwnvLJmqijiVqWkoJ3H6
7oA0XJN2nelucw+AHb+Jt9BWjyzKWlLFDnVHdGicyRJ0I8yqi32w8hGeXmu3tU58VWJrkXEXadBftmcipemb6oZ/r5SCkW6kxr2PsNWcJoebUdynyOQGbVwp
MtJAnjOYp0ObKOANbcIg+tsikyCIO5TiY3ADbBDPCeZK8xdcugXoW5WFwACGC0z+Cn0mtw8z3VGIPAMSCYmLusgWt2+EpikwrP2inNp5Pc+YdczRAsa4s30J
pyv/UHEG5P9GKnvofaxJgnU56lJIRPzFiCUGy6cVI0Fq777X/ME1K6A/bzZ4vRYNx8rUmVE5
`,
  },
  {
    fingerprint: '02182E60104FCDC26EAE1B8597A5D4CB8793F200',
    userId: 'Kitmaker (Debian 13 Trixie) <kitmaker@nvidia.com>',
    created: '2025-08-15',
    published: 'https://developer.download.nvidia.com/compute/cuda/repos/debian13/x86_64/8793F200.pub',
    base64: `
mQINBGifVE8BEAC93Cb4eItzcGtiuMHka7LfZiUJctF6LiwOG/gGbZeHzN8/pGg/62Ttxy0xEWl7AChtmQfH5b1+SvlMs0ZciN0E2LURantgw8sH+4v8f1cE
a0/zEGerzmNFlpdjPShvkPhD3bVchreN+D0mK/jhhk8DjJtgZTn2DsAaKq73hVLldM2YSFO3n/5zgeqhTnUY0C1z+2ovMr5FCtRSRFzxl6Qx3XezWjMzqwJx
+xhpZ0cqXMgMt0Pof3VH7FuQyWu97HbhaZJVVBzlqyg30xrMpeDv3R4bjwY0whacbP/ZNxCXtkqgItQ02L7to+3doNdIZPJ8rReM5UAQfa3rEjUPEdBn3Qnk
vGFOvv0IXXDqtp5jQhYC6dEAnxj1Qkcb5bCK1G9g6OB5Evc1ts9uW1+jr8JP8l/YYNepBCbIXauuYTj2f98dO2FykLfuGQ7ELne4vCpI2+5Vp4JqnynJPA0K
evA7jc3HWE0shPMgEa/Cxi2O2bNf0qdhQYTlXFJJVYigd4aTnDlFT4pmrIyX5rseTKCADkqgOagZbOJXLt2K2m0sQVNTVwfPpjEYvJroFTFPPzYk3n4dIJfI
tS5H5DE8TLa1x4fwZFlM9XaPHbJg5GLN0VyBWrtccXdG9/B/iIoEUjNuEIEnT+E9z6s1Bqfj3NzCMJXO1v/LWm9TntrRzgKFrQARAQABtDFLaXRtYWtlciAo
RGViaWFuIDEzIFRyaXhpZSkgPGtpdG1ha2VyQG52aWRpYS5jb20+iQJFBBMBCAAvFiEEAhguYBBPzcJurhuFl6XUy4eT8gAFAmifVE8CGy8CCwkCFQoCFgIC
HgUCF4AACgkQl6XUy4eT8gBf+A/9EoZKaWNS0mbO5iV1XFnhqGqS0RbHu2VXGF5lNHzPy2ukmivaOYhnCg3WCXzUPvhNsAkyVB2WXawMvbGlU1qk+vUSF+mX
KC+trh8eR9H6nCzsfLRo3+I7n5iMOiYxNv94jHS+hZqtOA8iKDLkUfCyHnRcSCpuaEzhT1hOysp/XTMzCCEvoEyIqJxcjCtCck59NIpd4ulXYMTse5SM+LPP
ujtzNJp99ujcVpHS4Tmk+RXHKpAk4yQtHNeY6TesezHZ+3TmYcGSxgGrkM9RjmZShLOxARNmq+X1Z+lgCe/Mj9KgMaUfmHSL/vn69bV6Q1dmYV5z+Gr9Ib7K
LXFmlhxucL0hUb9F4hH7QC1EJY9zoGY/RRZ840/ZnQaAiF73Sr332h8vsQIm2I8KmHZ+1u06e9v28yOKdvcwZYoEmvtic23SMVcntCZCKqLqlR1ory87bpxp
XKSmaGgQIAP+jsv0kT+HRJHQ/nOJLwFZAqfJKWnY9REdO7Cy/7UOefnTbNV7yzEEp+AZq7CnEY7u6EzIIbjxt6g5QjV1wcCOBVXkgWaY2KmxiZyJVDtf+alq
O78PDXdMnDRdK0pqFPrx0bLGNL4Yn9Hc/SvufXeI/tJr9RNMrjBvG0C1VVZh7ZIiMsXkd07setQEG1Y65/GEEDJlrSUZqQZRQjv1MaBElWAR6xQ=
`,
  },
  {
    fingerprint: 'C95B321B61E88C1809C4F759DDCAE044F796ECB0',
    userId: 'NVIDIA CORPORATION (Open Source Projects) <cudatools@nvidia.com>',
    created: '2017-09-28',
    published: 'https://nvidia.github.io/libnvidia-container/gpgkey',
    base64: `
mQINBFnNWDEBEACiX68rxIWvqH3h2GykO25oK9BAqV8fDtb6lXEbw3eKx4g87BRzM3DQBA0S0IfkQ72ovJ33H50+gVTXuu+Zme5muWk72m3pApccZVDLqdzY
lpWPruNbMC+IlWr70yo8Jw8Zr1ihbWjFvMbDJTkgqPt2djNq3xxvdiKoZlgnpLRKIpSu9iBQlNoZLHxTQKFH4219L77prRogv2QV1ckBL5lDVOERJuHo4jHE
8mm9/NZ6v3m2HGuuAEZ7T9nWlPGiAIP8Pww4ZRTJcBANcI2EFKPLdfP61HTH6w0kVMkoAaGlemadTDl3ZcLpUpTFLc+ko/2uQ1qVPx9QYyoMrorS3kUmlXrh
sA7FvcB09aIcb+JX6SVkcbO5A5+baCa3owwUtFBXMHM5hqpLv4P3/GsuW6283YwLZCf53dJY4lJZePqzPGsvs/wSvhnZrFvb61i/Aqm0hjhVh7h6VNxUiE8g
eMcjxy29LtzajoyS0EPVxes4xZu0VbS78LQyCNHSpS7TFmtVUQmbXqDN7cpiyr9+yutr0lZOMc7NYQt0nP/3RtYkWEob6wXarVImHas1OYzlZymdO1uAnqke
diS61E2vSD1OEq37/375FB/Q3AYXuNkQzDjYoJJz9wsv7Xp0bdPzQ/daLdIFNQXo5MmVIirsWM07JvbZaJhDOiJxGn0MPf11/QARAQABtEBOVklESUEgQ09S
UE9SQVRJT04gKE9wZW4gU291cmNlIFByb2plY3RzKSA8Y3VkYXRvb2xzQG52aWRpYS5jb20+iQI4BBMBCgAiBQJZzVgxAhsPBgsJCggHAwUVCgkICwUWAgMB
AAIeAQIXgAAKCRDdyuBE95bssAh6EACgUCww2sr8sOztEHKhvdCsonXuTHYbel3YlWmVDPbh4dA31xoRXlvSJptJzPi/zlTc9fkVSFGbEZbFRR4JjnwYTMLD
ElMh5YRMYAoPVYhWGKIO4earu32GhFuPjfr6h+0xNaQeDPIbr7bPe/AEhLSdJMzIOuAifr7UaC65A6YlxfeaSqyt0HthYujoQ12cWxP998C5jkc0IN2tyLs/
OD7HLHht+lafqDSylykx63cw7jvsV/15rqZwVwjhkcxZyrKET32MTjXF3cxn7+TGpKS8B1k4a/EI7uXnncfSoma0dAT9bZM9JZbXQmSzCPDHHuVtnQ/3uh8V
yenpigTFnrb20LCy6WzJd3O9lAZXLhvwF/By3a07WLzRtTZNaUpt37Anb0js2syr3lohbmK9i3xvuqZNzhGPbqu9IV+vFgSGyTHRJUSBlHKDGiCdOOHc20ML
PW1yRCXbx0F4eS9TWchYyJkJNNczD5DnEl/gsvL4NCRxa+oUyUhhJ1HpJ6YNmTsy6nAAKIC+6248o164GiavaR3z03RfaQayGHAUrBKi+PJBY7efgsZeYT8f
+hyYrIC04MO8poBKS/GvSUL2QtVtj59Nq+95gIptW2mZM8KRpt2huLH+QQ8SKr1vAECbpKJOwseqKmVyxX02iaSE8ifLE+tXFE8YgS3CZjWwy5PD0A==
`,
  },
];

/** The carried key with a fingerprint, as a binary keyring; null: it isn't carried. */
export function nvidiaKeyring(fingerprint: string): Buffer | null {
  const key = KEYS.find((candidate) => candidate.fingerprint === fingerprint);
  return key === undefined ? null : Buffer.from(key.base64, 'base64');
}
