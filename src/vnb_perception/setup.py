from setuptools import find_packages, setup

PACKAGE = "vnb_perception"

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
    description="Perception: tactile forces, contacts and sensed grasp quality, and their nodes.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "tactile_quality_node = vnb_perception.nodes.tactile_quality_node:main",
        ],
    },
)
