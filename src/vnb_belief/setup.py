from setuptools import find_packages, setup

PACKAGE = "vnb_belief"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"": ["py.typed", "**/*.yaml", "**/*.json", "**/*.pt", "**/*.npz", "**/*.xml", "**/*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="VNB maintainers",
    maintainer_email="maintainers@vnb.invalid",
    description="Beliefs over object pose and contact physics: mixtures, learned dynamics, training, and their nodes.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "observation_node = vnb_belief.nodes.observation_node:main",
            "belief_node = vnb_belief.nodes.belief_node:main",
        ],
    },
)
